-- dkim-filter verifies what dkim-filter has signed; what was changed on the way is a fail.
conn = connect(signer, SIGNER_CLIENT)
message(conn, FIELDS)
signature = mt.getheader(conn, "DKIM-Signature", 0)
mt.disconnect(conn)

changed = {}
for number, field in ipairs(FIELDS) do
	changed[number] = field
end
changed[3] = { "Subject", "Another" }

cases = {
	{ on_top("DKIM-Signature", signature, FIELDS), BODY, "dkim=pass" },
	{ on_top("DKIM-Signature", signature, FIELDS), BODY .. "More\r\n", "dkim=fail" },
	{ on_top("DKIM-Signature", signature, changed), BODY, "dkim=fail" },
	{ on_top("DKIM-Signature", "v=1; nonsense", FIELDS), BODY, "dkim=neutral" },
	{ FIELDS, BODY, "dkim=none" },
}
conn = connect(verifier, STRANGER)
for _, case in ipairs(cases) do
	expect("reply", message(conn, case[1], case[2]), SMFIR_CONTINUE)
	results = mt.getheader(conn, "Authentication-Results", 0)
	contains("results", results, "mx.test.example;")
	contains("results", results, case[3])
	expect("changed", mt.eom_check(conn, MT_HDRCHANGE), false)
	expect("deleted", mt.eom_check(conn, MT_HDRDELETE), false)
	expect("body", mt.eom_check(conn, MT_BODYCHANGE), false)
end
mt.disconnect(conn)
