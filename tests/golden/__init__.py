"""The whole plan of each stack as a file: whoever changes what is made sees it in the diff.

    python -m tests.golden          writes the files anew and says what changed; `make generate` does so too

A plan comes from Pulumi's mocks. Whatever AWS would answer stands in it by name, as `${ec2:Vpc network-vpc.id}`, so
that a subnet, a role or a queue in another's place is in the diff as well.
"""
