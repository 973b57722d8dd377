"""What a protocol is given: the evaluation context, label budgets, the judge, latent samplers."""
