/** Tests that ask for no format of tables run on Iceberg (thorough.ts). */
process.env.SLUICE_TEST_FORMAT = 'iceberg';
