"""Rules about answers that were not computed: carried in the source, fished for, made for one instance."""
