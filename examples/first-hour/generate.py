"""Writes three files as people have them, into the current folder: the same bytes in every run. See docs/first-hour.md."""

import json, random, csv, io, datetime as d

r = random.Random(24)
t0 = d.datetime(2026, 3, 1)
# 1. Bicycle stations, keyed by their number.
streets = [
    "Rue de la Paix",
    "Quai Saint-Michel",
    "Avenue d'Italie",
    "Place de l'Étoile",
    "Chemin Vert",
    "Impasse Nº 7",
]
stations = {}
for i in range(12000):
    s = {
        "name": f"{r.choice(streets)} {r.randint(1, 180)}",
        "position": {
            "lat": round(48.8 + r.random() / 10, 6),
            "lng": round(2.2 + r.random() / 5, 6),
        },
        "capacity": r.randint(8, 70),
        "electric": r.random() < 0.3,
        "opened": (t0 - d.timedelta(days=r.randint(0, 5000))).date().isoformat(),
        "last_reported": (t0 + d.timedelta(seconds=r.randint(0, 86400 * 20))).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "docks": {"free": r.randint(0, 40), "broken": r.randint(0, 3)},
    }
    if r.random() < 0.05:
        s["electric"] = None
    if r.random() < 0.1:
        del s["docks"]
    stations[str(10001 + i * 7)] = s
json.dump(stations, open("stations.json", "w"), ensure_ascii=False)
# 2. A wind turbine's controller: 500 columns every ten minutes.
names = ["timestamp", "turbine"] + [
    f"{g}_{n}_{st}"
    for g in ("gearbox", "generator", "rotor", "nacelle", "grid", "pitch")
    for n in range(1, 22)
    for st in ("avg", "min", "max", "std")
][:498]
with open("turbine.csv", "w", newline="") as f:
    w = csv.writer(f)
    w.writerow(names)
    for i in range(4000):
        row = [
            (t0 + d.timedelta(minutes=10 * (i // 4))).strftime("%Y-%m-%d %H:%M:%S"),
            f"WT{i % 4 + 1:02}",
        ]
        for j in range(498):
            row.append(
                ""
                if r.random() < 0.03
                else (
                    "OFF" if j == 77 and r.random() < 0.5 else round(r.gauss(50, 20), 3)
                )
            )
        w.writerow(row)
assert len(names) == 500, len(names)
# 3. A German bank's export: Latin-1, semicolons, lines before and after, decimal commas, line breaks in fields.
who = [
    "Stadtwerke Köln",
    "Bäckerei Möller",
    "Finanzamt",
    "Müller & Söhne GmbH",
    "DB Vertrieb",
]
out = io.StringIO()
out.write(
    '"Kontonummer:";"DE00 1234 5678 / Girokonto"\r\n"Zeitraum:";"01.01.2026 - 31.03.2026"\r\n\r\n'
)
w = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
w.writerow(
    [
        "Buchungstag",
        "Wertstellung",
        "Empfänger",
        "Verwendungszweck",
        "Betrag (EUR)",
        "Saldo (EUR)",
        "Kategorie",
    ]
)


def euro(x):
    return f"{x:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


saldo = 10482.17
for i in range(3000):
    day = d.date(2026, 1, 1) + d.timedelta(days=i // 34)
    amount = round(r.gauss(-20, 900), 2)
    saldo = round(saldo + amount, 2)
    text = f"Rechnung {r.randint(1000, 99999)}" + (
        "\nDanke für Ihren Einkauf; gerne wieder" if r.random() < 0.2 else ""
    )
    w.writerow(
        [
            day.strftime("%d.%m.%Y"),
            (day + d.timedelta(days=r.randint(0, 2))).strftime("%d.%m.%Y"),
            r.choice(who),
            text,
            euro(amount),
            euro(saldo),
            r.choice(["", "Miete", "Lebensmittel", "n/a"]),
        ]
    )
out.write('"";"";"";"";"Summe";"' + euro(saldo) + '";""\r\n')
open("umsaetze.csv", "wb").write(out.getvalue().encode("latin-1"))
