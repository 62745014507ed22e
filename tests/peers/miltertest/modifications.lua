-- Every modification and every answer, by version 6: what the filter of test_miltertest.py does at the word of the sender.

function check(what, fault)
	if fault ~= nil then error(what .. ": " .. tostring(fault)) end
end

function expect(what, truth)
	if not truth then error("not seen: " .. what) end
end

function message(conn, sender)
	check("macro", mt.macro(conn, SMFIC_MAIL, "i", "test-id"))
	check("mailfrom", mt.mailfrom(conn, sender, "SIZE=5"))
	check("rcptto", mt.rcptto(conn, "<bob@example.net>"))
	check("header", mt.header(conn, "From", " alice@example.org"))
	check("header", mt.header(conn, "Subject", " one\n two"))
	check("header", mt.header(conn, "Subject", " three"))
	check("eoh", mt.eoh(conn))
	check("bodystring", mt.bodystring(conn, "This is a test!\r\n"))
	check("eom", mt.eom(conn))
end

conn = mt.connect(socket)
expect("connection", conn ~= nil)
check("negotiate", mt.negotiate(conn, nil, nil, nil))
expect("add headers", mt.test_action(conn, SMFIF_ADDHDRS))
expect("change body", mt.test_action(conn, SMFIF_CHGBODY))
expect("leading space", mt.test_option(conn, SMFIP_HDR_LEADSPC))
expect("no DATA", mt.test_option(conn, SMFIP_NODATA))
check("conninfo", mt.conninfo(conn, "client.example", "192.0.2.1"))
check("helo", mt.helo(conn, "client.example"))

message(conn, "<modify@example.org>")
expect("continue", mt.getreply(conn) == SMFIR_CONTINUE)
expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "X-Inserted", " 1\n\tfolded", 0))
expect("added", mt.eom_check(conn, MT_HDRADD, "X-Added", " seen fields=3 body=17 id=test-id sender=modify@example.org"))
expect("changed", mt.eom_check(conn, MT_HDRCHANGE, "Subject", " four"))
expect("deleted", mt.eom_check(conn, MT_HDRDELETE, "Subject"))
expect("recipient added", mt.eom_check(conn, MT_RCPTADD, "<carol@example.net>"))
expect("recipient deleted", mt.eom_check(conn, MT_RCPTDELETE, "<bob@example.net>"))
expect("body", mt.eom_check(conn, MT_BODYCHANGE, "new body\r\n"))
expect("quarantine", mt.eom_check(conn, MT_QUARANTINE, "looks odd"))

message(conn, "<nothing@example.org>")
expect("continue", mt.getreply(conn) == SMFIR_CONTINUE)
expect("nothing changed", not mt.eom_check(conn, MT_HDRINSERT) and not mt.eom_check(conn, MT_BODYCHANGE))

for sender, reply in pairs({accept = SMFIR_ACCEPT, reject = SMFIR_REJECT, tempfail = SMFIR_TEMPFAIL, discard = SMFIR_DISCARD}) do
	message(conn, "<" .. sender .. "@example.org>")
	expect(sender, mt.getreply(conn) == reply)
end

message(conn, "<reply@example.org>")
expect("reply", mt.getreply(conn) == SMFIR_REPLYCODE)
expect("reply code", mt.eom_check(conn, MT_SMTPREPLY, "550", "5.7.1", "not today"))
message(conn, "<nothing@example.org>")
expect("continue", mt.getreply(conn) == SMFIR_CONTINUE)

check("abort", mt.mailfrom(conn, "<nothing@example.org>"))
mt.abort(conn)
mt.disconnect(conn)
