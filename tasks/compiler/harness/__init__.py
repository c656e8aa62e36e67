"""Grader of the compiler task: draws Quill's dialect and programs, and runs what the candidate compiled."""
