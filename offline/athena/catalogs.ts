/** The name of the Data Catalog in Athena's SQL and messages. */
export const catalogName = 'awsdatacatalog';

/** Trino's catalog for Iceberg tables. Statements that the catalog above does not redirect name this one. */
export const icebergCatalog = 'iceberg';
