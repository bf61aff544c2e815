const ESCAPE = String.fromCharCode(27);
/** Control sequences with their first number and their verb, and single characters. */
const PIECES = new RegExp(`(${ESCAPE}\\[[?]?(\\d*)(?:;\\d*)*([A-Za-z]))|([\\s\\S])`, 'gu');

/** Interprets what a program writes to a terminal, as far as readline needs it. Returns the lines on the screen. */
export const screenOf = (written: string, columns: number): readonly string[] => {
  const lines: string[][] = [[]];
  let [row, column] = [0, 0];
  const at = (line: number): string[] => {
    while (lines.length <= line) lines.push([]);
    return lines[line] as string[];
  };
  for (const [, sequence, count = '1', verb, character = ''] of written.matchAll(PIECES)) {
    const by = Number(count === '' ? 1 : count);
    if (sequence === undefined) {
      if (character === '\r') column = 0;
      // a terminal adds the carriage return
      else if (character === '\n') [row, column] = [row + 1, 0];
      else {
        if (column === columns) [row, column] = [row + 1, 0];
        const line = at(row);
        while (line.length < column) line.push(' ');
        line[column] = character;
        column += 1;
      }
    } else if (verb === 'A') row = Math.max(0, row - by);
    else if (verb === 'B') row += by;
    else if (verb === 'G') column = by - 1;
    else if (verb === 'K') at(row).length = Math.min(at(row).length, column);
    else if (verb === 'J') {
      at(row).length = Math.min(at(row).length, column);
      lines.length = row + 1;
    }
    at(row);
  }
  return lines.map((line) => line.join('').trimEnd());
};
