-- The service tells the age of the newest backup, and makes none.
SELECT 'app_user may not read app.backups, or may write to it'
WHERE NOT has_table_privilege('app_user', 'app.backups', 'SELECT')
   OR has_any_column_privilege('app_user', 'app.backups', 'INSERT, UPDATE');
