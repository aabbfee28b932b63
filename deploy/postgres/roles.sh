#!/bin/bash
# Runs once, when the database is made: the three roles, and the extension that only a superuser may add.
set -euo pipefail
psql --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set=database="$POSTGRES_DB" --set=owner="$DESKWIRE_OWNER_PASSWORD" --set=app="$DESKWIRE_APP_PASSWORD" \
  --set=system="$DESKWIRE_SYSTEM_PASSWORD" <<'SQL'
CREATE ROLE deskwire_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner';
CREATE ROLE deskwire_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app';
CREATE ROLE deskwire_system LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'system';
ALTER DATABASE :"database" OWNER TO deskwire_owner;
ALTER SCHEMA public OWNER TO deskwire_owner;
CREATE EXTENSION IF NOT EXISTS vector;
SQL
