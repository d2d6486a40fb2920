"""What crosses the wires: schemas, pacts and the fidelity ledger. The ground floor: it imports nothing of ours."""
