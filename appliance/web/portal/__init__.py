"""What a customer sees: type the key, read who is asking, get the client, see how far it is.

A key becomes a *start* (`appliance.domain.start`) that is bound to this browser by a cookie. Nothing that a mail
scanner does uses anything up: a GET of the key's link fills in the form, and a download mints a token which means
nothing until a client says hello with it.

    routes.py     the pages
    downloads.py  the built clients, and a customer's file made of one (client + trailer)
    delivery.py   such a file as an HTTP answer: HEAD, Range
    command.py    the line for a terminal
    systems.py    which system a browser runs on
    progress.py   how far a start is, in words, and the event stream that tells it
"""
