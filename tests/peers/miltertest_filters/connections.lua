-- Messages that are given up, connections that are lost, two at once, old versions of the protocol.
conn = connect(signer, SIGNER_CLIENT)
for _ = 1, 3 do
	header(conn, FIELDS)
	ok(mt.bodystring(conn, BODY))
	ok(mt.abort(conn))
	message(conn, FIELDS)
	expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature"), true)
end
mt.disconnect(conn)

-- Lost at each stage.
for stage = 1, 4 do
	conn = connect(signer, SIGNER_CLIENT)
	if stage > 1 then
		ok(mt.mailfrom(conn, "<alice@example.org>"))
	end
	if stage > 2 then
		ok(mt.header(conn, "From", "alice@example.org"))
	end
	if stage > 3 then
		ok(mt.eoh(conn))
		ok(mt.bodyrandom(conn, 100000))
	end
	mt.disconnect(conn, false)
end

-- Two clients at once.
one = connect(signer, SIGNER_CLIENT)
other = connect(signer, STRANGER)
header(one, FIELDS)
header(other, FIELDS)
ok(mt.bodystring(other, BODY))
ok(mt.bodystring(one, BODY))
ok(mt.eom(one))
ok(mt.eom(other))
expect("inserted", mt.eom_check(one, MT_HDRINSERT, "DKIM-Signature"), true)
expect("inserted", mt.eom_check(other, MT_HDRINSERT), false)
mt.disconnect(one)
mt.disconnect(other)

-- Version 2, without any of the later options.
conn = mt.connect(signer, 40, 0.05)
ok(mt.negotiate(conn, 2, 0x3F, 0x7F))
ok(mt.conninfo(conn, "localhost", SIGNER_CLIENT))
message(conn, FIELDS)
expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature"), true)
mt.disconnect(conn)
