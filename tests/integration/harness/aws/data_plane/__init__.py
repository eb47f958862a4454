"""What MiniStack has no data plane for: names of AWS over TLS, databases, the way to pods, credentials for pods.

All of it is part of the emulator's process, or ends with it, and is there when the variable of `settings.py` is set:
`emulated_aws` sets it when it is given an authority, in a network of the tests' own (pods/network.py). Without it the
emulator is what it is to the tests that run no pods. With it MiniStack also enforces IAM (its AUTH): roles may do what
their policies, their boundary and the policies of topics and queues allow; only the account's root may do everything.

    settings.py       what the emulator is told about it all
    application.py    what of it runs inside of the emulator
    names.py          what is different when AWS is called by its own names
    databases.py      an RDS instance is a PostgreSQL server (postgres.py), which asks IAM about tokens (logins.py)
    entrance.py       API Gateway -> VPC link -> load balancer -> pod
    targets.py        registers pods with the load balancer, as EKS does
    pod_identity.py   gives pods the credentials of their roles, and no pod else any
    webhook.py        has the API server ask about new pods: to be installed in the cluster
    boundary.py       the limit of roles, which the account has before the program runs
    resolving.py      the same names in the tests' own process
    *_stand_in.py     for the tests of all this (test_data_plane.py)
"""
