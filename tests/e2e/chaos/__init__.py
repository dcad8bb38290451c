"""What `make chaos` and its short form in the tests consist of.

events    what producers write, and how a record of a topic is read back
producer  writes and keeps in mind what was acknowledged
worker    the service under a supervisor that starts it again whenever it ends
faults    what is done to PostgreSQL, Kafka, Redis and the service's membership, drawn from the seed
history   what the topics hold, and what is stored, read as each tenant
checker   compares the two: lost, doubled, wrongly dead-lettered, older text over newer
storm     all of it together
"""
