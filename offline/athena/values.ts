/** Athena's names and notations for DuckDB's types and values. */
import {
  DuckDBDateValue,
  type DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api';
import type { ResultColumn } from './engine.ts';
import { notSupported } from './queryError.ts';

type AthenaType = Omit<ResultColumn, 'name'>;

const typeOf = (type: string): AthenaType => ({ type, precision: precisions[type] ?? 0, scale: 0 });

/** Athena reports the precisions of JDBC. */
export const precisions: Readonly<Record<string, number>> = {
  varchar: 2_147_483_647,
  varbinary: 1_073_741_824,
  bigint: 19,
  integer: 10,
  smallint: 5,
  tinyint: 3,
  double: 17,
  float: 17,
  timestamp: 3,
};

/** Throws QueryError for a type that Athena does not have. */
export function athenaType(type: DuckDBType | undefined): AthenaType {
  switch (type?.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return typeOf('boolean');
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
      return typeOf('integer');
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.HUGEINT:
      return typeOf('bigint');
    case DuckDBTypeId.DOUBLE:
      return typeOf('double');
    case DuckDBTypeId.DECIMAL: {
      const { width, scale } = type as DuckDBDecimalType;
      return { type: 'decimal', precision: width, scale };
    }
    case DuckDBTypeId.VARCHAR:
      return typeOf('varchar');
    case DuckDBTypeId.DATE:
      return typeOf('date');
    case DuckDBTypeId.TIMESTAMP:
      return typeOf('timestamp');
    case DuckDBTypeId.TIMESTAMP_TZ:
      return typeOf('timestamp with time zone');
    case DuckDBTypeId.LIST:
      return typeOf('array');
    case DuckDBTypeId.STRUCT:
      return typeOf('row');
    case DuckDBTypeId.SQLNULL:
      return typeOf('unknown');
    default:
      throw notSupported(`a result of DuckDB's type ${type}`);
  }
}

/** A value in the notation of GetQueryResults; null for NULL. */
export function athenaText(value: DuckDBValue, type: DuckDBType | undefined): string | null {
  if (value === null) return null;
  if (typeof value === 'bigint') {
    if (value > 9223372036854775807n || value < -9223372036854775808n)
      throw notSupported(`a sum beyond 64 bits (${value})`);
    return String(value);
  }
  if (typeof value === 'number')
    return type?.typeId === DuckDBTypeId.DOUBLE ? javaDouble(value) : String(value);
  if (typeof value === 'boolean' || typeof value === 'string') return String(value);
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString();
  if (value instanceof DuckDBTimestampValue) return milliseconds(value.micros);
  if (value instanceof DuckDBTimestampTZValue) return `${microseconds(value.micros)} UTC`;
  if (value instanceof DuckDBListValue) {
    const element =
      type?.typeId === DuckDBTypeId.LIST ? (type as { valueType?: DuckDBType }).valueType : undefined;
    return `[${value.items.map((item) => athenaText(item, element) ?? 'null').join(', ')}]`;
  }
  if (value instanceof DuckDBStructValue)
    return `{${Object.entries(value.entries)
      .map(([name, field]) => `${name}=${athenaText(field, undefined) ?? 'null'}`)
      .join(', ')}}`;
  throw notSupported(`a result value of ${type}`);
}

const milliseconds = (micros: bigint): string =>
  new Date(Number(micros / 1000n)).toISOString().replace('T', ' ').replace('Z', '');

function microseconds(micros: bigint): string {
  const part = ((micros % 1000n) + 1000n) % 1000n;
  return milliseconds(micros - part) + String(part).padStart(3, '0');
}

/** As Java's Double.toString: always a decimal point; scientific below 1e-3 and from 1e7 on. */
export function javaDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`;
}
