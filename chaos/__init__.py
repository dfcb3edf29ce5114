"""Real gateways under load and faults, and a checker that knows none of their code."""
