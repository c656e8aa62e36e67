"""The record of what happened: facts in SQL, code in git, one home folder that holds both."""
