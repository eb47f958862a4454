"""`service.yaml` as pure data: read, typed, checked. Nothing in here knows Pulumi, nor what can be declared.

From the bottom up: `problems` says what is wrong, `reader` reads a file, `draft` is what was read, `declaration` is
what each capability adds to (infra/capabilities/<name>/declaration.py), `names` are those that are taken, and
`catalogue` is all declarations together.
"""
