"""Who is connected now: keys, starts, queues, sessions as live objects, and the consoles that watch them.

broker.py     Broker: what serve and the web faces call
views.py      what the console sees and says
starts.py     session keys and what becomes of a redeemed one, on its way to a session
session.py    a session as a live object: members, consent, channels, resume
customer.py   one customer's connection         console.py   one console's connection
calls.py      what a console may ask for        topics.py    what a console is shown

class Broker(store, settings, audit, throttle, recorder_factory, ca_fingerprints, now, *, make_token=…)
    await run(task_status)                                  restores sessions, then watches all clocks
    await redeem_key(text, portal_cookie, address) -> Start | Refusal
    await start_of(portal_cookie) -> Start | None           the newest that is not over
    await mint_token(start) -> str | Refusal                for one copy of the client
    await start_state(start_id) -> StartProgress | None
    await wait_change(start_id, seen) -> StartProgress | None      waits until `version` is not `seen`
    await report_unsupported(start_id, system)              shown to the technician
    await serve_customer(stream); await serve_console(stream, who)
    on_signed_out(user_id, session_id)                      for Identity.on_signed_out; cuts these consoles
"""

from appliance.broker.broker import Broker
from appliance.broker.starts import Start, StartProgress

__all__ = ["Broker", "Start", "StartProgress"]
