create table people (name text, id integer, note blob);
insert into people values ('O''Brien', 1, null), ('two words', 2, 'q"z'), ('', 3, '\x'), ('c:d', 4, 1.5), ('"q" b\s', 5, x'410042');
