"""PostgreSQL: the truth about jobs and versions. All SQL of the project lives here and in the migrations."""
