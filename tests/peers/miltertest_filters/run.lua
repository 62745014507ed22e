-- Runs `script` after `library`; miltertest itself does not say what an error was.
function run()
	dofile(library)
	dofile(script)
end

done, trouble = xpcall(run, debug.traceback)
if not done then
	io.stderr:write(tostring(trouble), "\n")
	error(trouble)
end
