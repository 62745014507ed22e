-- dk-filter signs, and verifies what it has signed.
conn = connect(dk_signer, SIGNER_CLIENT)
expect("reply", message(conn, FIELDS), SMFIR_CONTINUE)
signature = mt.getheader(conn, "DomainKey-Signature", 0)
mt.disconnect(conn)
contains("signature", unfolded(signature), "a=rsa-sha1;")
contains("signature", unfolded(signature), "c=nofws;")
contains("signature", unfolded(signature), "h=")

conn = connect(dk_verifier, STRANGER)
for _, case in ipairs({ { BODY, "domainkeys=pass" }, { "Hello\r\n", "domainkeys=fail" } }) do
	message(conn, on_top("DomainKey-Signature", signature, FIELDS), case[1])
	contains("results", mt.getheader(conn, "Authentication-Results", 0), case[2])
end
message(conn, FIELDS)
contains("results", mt.getheader(conn, "Authentication-Results", 0), "domainkeys=none")
mt.disconnect(conn)
