/** Reads pasted tables (RFC 4180), and says which row can't be read. */

export class RowError extends Error {}

/** Items that the server ranks at once. */
const MOST = 500;

interface Row {
  line: number;
  cells: string[];
}

/** Split a table into rows of cells; blank lines are passed over. */
export function cells(text: string): Row[] {
  const rows: Row[] = [];
  let [row, line] = [[] as string[], 1];
  let start = 1;
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text);
    if (!match) throw new RowError(`Row ${rows.length + 1} (line ${start}): a quotation mark isn't closed, or stands inside a cell.`);
    row.push((match[1]?.replaceAll('""', '"') ?? match[2]!).trim());
    line += match[0].split("\n").length - 1;
    if (match[3] === ",") {
      if (cell.lastIndex < text.length) continue;
      row.push("");
    }
    if (row.some(Boolean)) rows.push({ line: start, cells: row });
    [row, start] = [[], line];
  }
  return rows;
}

/** Read items, each with an id and a title. A first row with the names of columns may say which is which. */
export function readItems(text: string): Record<string, string>[] {
  const rows = cells(text);
  const first = rows[0]?.cells.map((name) => name.toLowerCase()) ?? [];
  const named = first.includes("item_id");
  const columns = named ? first : ["item_id", "title"];
  if (!columns.includes("title")) throw new RowError("Row 1: there is no column “title”.");
  const twice = columns.find((name, at) => columns.indexOf(name) < at);
  if (twice !== undefined) throw new RowError(`Row 1: two columns are called “${twice}”.`);
  const n = rows.length - Number(named);
  if (n === 0) throw new RowError("There is no item: paste some, one a line.");
  if (n > MOST) throw new RowError(`There are ${n} items: paste at most ${MOST}.`);
  const seen = new Map<string, number>();
  return rows.slice(named ? 1 : 0).map(({ line, cells }, at) => {
    const which = `Row ${at + (named ? 2 : 1)} (line ${line})`;
    if (cells.length !== columns.length) {
      const remedy =
        cells.length > columns.length ? "Put titles that have a comma in quotation marks." : "Put commas between cells.";
      const found = cells.length === 1 ? "1 cell" : `${cells.length} cells`;
      throw new RowError(`${which}: ${found}, where ${columns.length} are expected (${columns}). ${remedy}`);
    }
    const item = Object.fromEntries(columns.map((name, column) => [name, cells[column]!]));
    for (const name of ["item_id", "title"]) if (!item[name]) throw new RowError(`${which}: ${name} is empty.`);
    const before = seen.get(item["item_id"]!);
    if (before !== undefined) throw new RowError(`${which}: item_id ${item["item_id"]} is that of row ${before}, too.`);
    seen.set(item["item_id"]!, at + (named ? 2 : 1));
    return item;
  });
}
