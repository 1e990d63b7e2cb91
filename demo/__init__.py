"""`make demo`: a whole site on this machine, with a customer who waits to be helped, until Ctrl-C.

    __main__.py    puts the parts together and takes them away again
    site.py        the data folder: a site, an admin, two technicians and their team, by the calls that set-up makes
    browser.py     a browser without scripts, for the pages that the demo itself uses
    technician.py  makes a session key over the console's own socket
    customer.py    types the key into the portal, downloads the client, runs it, and allows what it asks
    desktop.py     the customer's virtual desktop

Nothing here has a way of its own into the appliance: the server is `python -m appliance serve`, the key is made and
typed as people do it, the client is the one that the portal hands out. That the customer allows what they are asked is
done from outside, by pressing the button in the client's window.
"""
