"""What a service can declare: a folder for each capability, which says everything about it.

| file | |
|---|---|
| `declaration.py` | its fields in a service.yaml, and the checks of them; pure data |
| `local.py` | what it is on the laptop |
| `aws.py` | what it is on AWS |

Both sides give a `Binding` (infra/contract.py), which is all that the rest of the program knows of a capability. The
lists of them stand in infra/service: catalogue.py, local.py, aws.py.
"""
