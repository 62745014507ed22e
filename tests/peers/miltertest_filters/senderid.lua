-- sid-filter records what SPF and Sender ID say, and refuses only where it is told to.
cases = {
	{ "127.0.0.2", "alice@example.org", "spf=pass", "sender-id=pass", SMFIR_CONTINUE },
	{ "127.0.0.3", "alice@example.org", "spf=fail", "sender-id=fail", SMFIR_REPLYCODE },
	{ "192.0.2.77", "dave@quiet.example", "spf=none", "sender-id=none", SMFIR_CONTINUE },
}
for _, case in ipairs(cases) do
	fields = { { "From", case[2] } }
	conn = connect(sid, case[1])
	expect("reply", message(conn, fields, BODY, case[2]), SMFIR_CONTINUE)
	results = mt.getheader(conn, "Authentication-Results", 0)
	contains("results", results, case[3])
	contains("results", results, case[4])
	mt.disconnect(conn)

	conn = connect(refuser, case[1])
	expect("reply with -r 1", message(conn, fields, BODY, case[2]), case[5])
	if case[5] == SMFIR_REPLYCODE then
		expect("results", mt.eom_check(conn, MT_HDRINSERT), false)
	end
	mt.disconnect(conn)
end

-- An address of no family that has SPF.
conn = mt.connect(sid, 40, 0.05)
ok(mt.conninfo(conn, "localhost", "unspec"))
expect("reply", message(conn, FIELDS), SMFIR_CONTINUE)
mt.disconnect(conn)
