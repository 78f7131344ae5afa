/** A row of buttons with one selected. */
export function Tabs<T extends string>({
  names,
  chosen,
  onChoose,
}: {
  names: readonly T[];
  chosen: T;
  onChoose: (name: T) => void;
}) {
  return (
    <div class="tabs" role="tablist">
      {names.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          aria-selected={name === chosen}
          onClick={() => onChoose(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
