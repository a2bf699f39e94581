"""PostgreSQL, the authority on jobs and versions. All SQL of the project is here and in the migrations."""
