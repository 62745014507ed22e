-- dkim-filter signs mail of its domain from its clients, and none else.
conn = connect(signer, SIGNER_CLIENT)
expect("reply", message(conn, FIELDS), SMFIR_CONTINUE)
expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature"), true)
expect("results", mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"), false)
signature = unfolded(mt.getheader(conn, "DKIM-Signature", 0))
contains("signature", signature, "v=1;")
contains("signature", signature, "a=rsa-sha256;")
contains("signature", signature, "d=example.org;")
contains("signature", signature, "s=rsa;")

-- The next message in the connection, of another domain.
expect("reply", message(conn, { { "From", "carol@other.example" } }), SMFIR_CONTINUE)
expect("inserted", mt.eom_check(conn, MT_HDRINSERT), false)

-- No author, several authors, an author that is none.
for _, fields in ipairs({ { { "Subject", "x" } }, { { "From", "nobody" } }, { { "From", "" } } }) do
	expect("reply", message(conn, fields), SMFIR_CONTINUE)
	expect("inserted", mt.eom_check(conn, MT_HDRINSERT), false)
end
mt.disconnect(conn)

-- A client that is not one of ours.
conn = connect(signer, STRANGER)
expect("reply", message(conn, FIELDS), SMFIR_CONTINUE)
expect("inserted", mt.eom_check(conn, MT_HDRINSERT), false)
mt.disconnect(conn)

-- But it has authenticated itself.
conn = connect(signer, STRANGER)
ok(mt.macro(conn, SMFIC_MAIL, "i", "QUEUEID", "{auth_authen}", "alice"))
ok(mt.mailfrom(conn, "<alice@example.org>"))
for _, field in ipairs(FIELDS) do
	ok(mt.header(conn, field[1], field[2]))
end
ok(mt.bodystring(conn, BODY))
ok(mt.eom(conn))
expect("inserted", mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature"), true)
mt.disconnect(conn)
