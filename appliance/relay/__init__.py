"""What runs between the members of a session: one connection's reader and sender, and the channels' relays.

link.py       one connection: reader, sender, ping, bounded queues; Port: one channel of it
pool.py       receive buffers
pipe.py       one channel to one channel, whole frames
screen.py     one client's screen to many viewers, each at its own speed
control.py    input, from the controller only, never late
chat.py       stored, then delivered, exactly once
clipboard.py  the newest text, both ways
recording.py  what was relayed, with a clock
"""
