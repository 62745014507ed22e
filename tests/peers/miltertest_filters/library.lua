-- What the scripts share. They are run by tests/peers/test_filters_miltertest.py, which defines the sockets of the filters.

SIGNER_CLIENT = "127.0.0.1"
STRANGER = "192.0.2.1"

FIELDS = {
	{ "From", "Alice <alice@example.org>" },
	{ "To", "bob@rx.example" },
	{ "Subject", "A  test\n\tthat is folded" },
	{ "Date", "Mon, 2 Nov 2026 09:15:39 +0000" },
}
BODY = "Hello Bob,\r\n\r\n  two  blanks, one at the end \r\n.a dot\r\n"

-- Fails unless `value` is `wanted`.
function expect(what, value, wanted)
	if value ~= wanted then
		error(what .. ": " .. tostring(value) .. " instead of " .. tostring(wanted), 2)
	end
end

-- Fails unless `text` contains `part`, as it stands.
function contains(what, text, part)
	if text == nil or string.find(text, part, 1, true) == nil then
		error(what .. ": '" .. part .. "' is not in '" .. tostring(text) .. "'", 2)
	end
end

-- Fails if a function of miltertest has returned an error.
function ok(result)
	if result ~= nil then
		error(result, 2)
	end
end

-- A connection of an SMTP client at `address`.
function connect(socket, address)
	local conn = mt.connect(socket, 40, 0.05)
	if conn == nil then
		error("no connection to " .. socket, 2)
	end
	ok(mt.macro(conn, SMFIC_CONNECT, "j", "mx.test.example", "{daemon_name}", "MTA"))
	ok(mt.conninfo(conn, "client.example", address))
	ok(mt.helo(conn, "client.example"))
	return conn
end

-- The envelope and the header of a message, up to its body.
function header(conn, fields, sender)
	ok(mt.macro(conn, SMFIC_MAIL, "i", "QUEUEID"))
	ok(mt.mailfrom(conn, "<" .. (sender or "alice@example.org") .. ">"))
	ok(mt.rcptto(conn, "<bob@rx.example>"))
	if not mt.test_option(conn, SMFIP_NODATA) then
		ok(mt.data(conn))
	end
	for _, field in ipairs(fields) do
		ok(mt.header(conn, field[1], field[2]))
	end
	ok(mt.eoh(conn))
end

-- A whole message; the filter's final reply.
function message(conn, fields, body, sender)
	header(conn, fields, sender)
	if not mt.test_option(conn, SMFIP_NOBODY) then
		ok(mt.bodystring(conn, body or BODY))
	end
	ok(mt.eom(conn))
	return mt.getreply(conn)
end

-- `fields` with one more on top.
function on_top(name, value, fields)
	local result = { { name, value } }
	for _, field in ipairs(fields) do
		table.insert(result, field)
	end
	return result
end

-- A value with its lines and blanks as they come in a header that is not folded.
function unfolded(value)
	return (string.gsub(value, "%s+", " "))
end
