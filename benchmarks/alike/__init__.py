"""How many changed copies of erased pictures are known again, and how many others asked about."""
