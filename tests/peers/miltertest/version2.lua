-- An MTA of version 2: no leading space, an answer to every step.

function check(what, fault)
	if fault ~= nil then error(what .. ": " .. tostring(fault)) end
end

function expect(what, truth)
	if not truth then error("not seen: " .. what) end
end

conn = mt.connect(socket)
expect("connection", conn ~= nil)
check("negotiate", mt.negotiate(conn, 2, 63, 127))
expect("no leading space", not mt.test_option(conn, SMFIP_HDR_LEADSPC))
for number = 1, 2 do
	if number == 1 then
		check("conninfo", mt.conninfo(conn, "client.example", "unspec"))
		expect("connect", mt.getreply(conn) == SMFIR_CONTINUE)
		check("helo", mt.helo(conn, "client.example"))
		expect("helo", mt.getreply(conn) == SMFIR_CONTINUE)
	end
	check("macro", mt.macro(conn, SMFIC_MAIL, "i", "two"))
	check("mailfrom", mt.mailfrom(conn, "<modify@example.org>"))
	expect("mailfrom", mt.getreply(conn) == SMFIR_CONTINUE)
	check("rcptto", mt.rcptto(conn, "<bob@example.net>"))
	expect("rcptto", mt.getreply(conn) == SMFIR_CONTINUE)
	check("header", mt.header(conn, "Subject", "one"))
	expect("header", mt.getreply(conn) == SMFIR_CONTINUE)
	check("header", mt.header(conn, "Subject", "two"))
	check("eoh", mt.eoh(conn))
	expect("eoh", mt.getreply(conn) == SMFIR_CONTINUE)
	check("bodyrandom", mt.bodyrandom(conn, 100000))
	expect("body", mt.getreply(conn) == SMFIR_CONTINUE)
	check("eom", mt.eom(conn))
	expect("eom", mt.getreply(conn) == SMFIR_CONTINUE)
	expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "X-Inserted", "1\n\tfolded", 0))
	expect("changed", mt.eom_check(conn, MT_HDRCHANGE, "Subject", "four"))
end
mt.disconnect(conn)

-- One that goes without a word, in the middle of a message.
conn = mt.connect(socket)
check("conninfo", mt.conninfo(conn, nil, "192.0.2.1"))
check("mailfrom", mt.mailfrom(conn, "<nothing@example.org>"))
mt.disconnect(conn, false)
