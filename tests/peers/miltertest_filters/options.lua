-- What the filters ask of an MTA: no more than they need.
for _, case in ipairs({ { signer, false }, { verifier, true }, { sid, true } }) do
	conn = mt.connect(case[1], 40, 0.05)
	ok(mt.negotiate(conn, nil, nil, nil))
	expect("adds fields", mt.test_action(conn, SMFIF_ADDHDRS), true)
	expect("removes fields", mt.test_action(conn, SMFIF_CHGHDRS), case[2])
	for _, action in ipairs({ SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT }) do
		expect("an action that is not needed", mt.test_action(conn, action), false)
	end
	expect("leading space", mt.test_option(conn, SMFIP_HDR_LEADSPC), true)
	expect("body left out", mt.test_option(conn, SMFIP_NOBODY), case[1] == sid)
	mt.disconnect(conn)
end
