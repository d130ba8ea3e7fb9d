-- Run by PostgreSQL's container at its first start, as its admin, or by hand:
--   psql --username postgres --file deploy/cluster/database.sql
-- The password comes from the environment. Nobody can log in as the admin afterwards but at the
-- server's own socket.
\getenv password SONNETEER_DATABASE_PASSWORD
CREATE ROLE sonneteer LOGIN PASSWORD :'password';
CREATE DATABASE sonneteer OWNER sonneteer ENCODING 'UTF8' TEMPLATE template0;
ALTER ROLE postgres PASSWORD NULL;
