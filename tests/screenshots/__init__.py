"""The pictures of the README and the guides, made by walking the product's whole story as three people.

    __main__.py    `python -m tests.screenshots [--sheet]`
    story.py       the story: an admin, a technician and a customer, from the set-up code to the audit log
    people.py      what each of them has: a browser, a desktop with a terminal
    album.py       takes the pictures: one of each state for the documents, or every look of it for the contact sheet,
                   and asks axe about each

The tests walk the same story, so that the pictures stay true.
"""
