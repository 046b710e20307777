"""The pages behind sign-in: who may read them, in which role, and what each role may see."""
