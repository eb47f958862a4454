"""The image `database-bootstrap`: a service's database and its user, made before its first migration.

`python -m infra.bootstrap` reads (* has to be given):

    DATABASE_ENGINE *     postgres or mysql
    DATABASE_HOST *       where the server answers
    DATABASE_PORT *
    DATABASE_NAME *       the database to make
    DATABASE_USER *       its owner, who signs in with IAM tokens and has no password
    DATABASE_CA_FILE *    PEM file of the authorities that the server's certificate may come from
    MASTER_SECRET_ARN *   secret of Secrets Manager: JSON with username and password of the master user
    AWS_REGION *          where the secret is
    DEADLINE_SECONDS      how long to wait for server, secret and permissions; 300 unless given
    AWS_...               what boto3 reads: credentials

It may run any number of times, several at once, and be killed at any point: the next run completes what is there. It
prints a line for each thing it did, and no secret. Status 0: all is there; 1: it is not, the last line says why;
2: the environment is wrong.
"""
