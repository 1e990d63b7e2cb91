"""The customer client as one file.

    client.spec   what PyInstaller gathers
    head.sh       the file's beginning: a shell script that unpacks the rest, starts it, and clears up after it
    build.py      puts them together: `make client`

**Why a script in front, and not PyInstaller's own one-file program.** That one unpacks to `/tmp` before any of our code
runs: where `/tmp` allows no programs it dies with a linker's message, on an old system with another, and killed it
leaves 50 MB behind. A few lines of shell, which every Linux has, look for a folder that allows programs, compare glibc
in words, and leave a watcher that takes everything away however the program ended. It also starts without its execute
bit (`sh FILE`), has one process less, and unpacks no slower. The trailer with the start sits at the very end, as it
would behind any program.
"""
