import { expect, test } from '@jest/globals';
import { fieldsOf } from '../../../src/lib/compiler/fields.ts';
import { contractWith } from '../../support/embedded.ts';

test('each published column and partition key has the fields that its values come from', () => {
  const contract = contractWith(
    `  - { name: lat, path: geo.lat, type: double }
  - { name: lon, path: geo.lon, type: double }
  - { name: place, path: geo.place, type: string }
  - { name: code, path: "codes[0]", type: string, publish: false }`,
    `derive:
  - { name: sum, type: double, expression: "lat + lon" }
  - { name: twice, type: double, expression: "lat * 2 + lon + lat" }
  - { name: fixed, type: string, expression: "upper(place)" }
enrich:
  - { kind: lookup, file: a.csv, on: { code: k, fixed: s }, columns: { label: text } }
  - { kind: polygon, file: b.geojson, longitude: lon, latitude: lat, property: title, column: area }`,
  );
  expect(fieldsOf(contract)).toEqual({
    id: ['id'],
    at: ['at'],
    lat: ['geo.lat'],
    lon: ['geo.lon'],
    sum: ['geo.lat', 'geo.lon'],
    twice: ['geo.lat', 'geo.lon'],
    place: ['geo.place'],
    fixed: ['geo.place'],
    label: ['codes[0]', 'geo.place', 'a.csv#text'],
    area: ['geo.lon', 'geo.lat', 'b.geojson#title'],
    source: [],
    day: ['at'],
  });
});
