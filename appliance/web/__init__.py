"""What browsers see: one folder a face, each with routes, templates and static files of its own.

`app.build_app` puts the faces together. `shared` holds what all of them stand on: routes that declare who may use
them, the security headers, templates, the look. A face imports from `shared`;
what another face keeps (the built clients) reaches it through `Site`.
"""
