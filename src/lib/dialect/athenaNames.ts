/** Athena's quoting. */

/** The one way an identifier enters SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The one way a text enters SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
