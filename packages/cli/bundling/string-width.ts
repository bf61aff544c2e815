/** Stands for the package of this name, with which yargs lays out its help: the help has no wide characters. */
import { stripVTControlCharacters } from 'node:util';

const stringWidth = (text: string): number =>
  // most texts have none, and a search for the character takes less than a look for sequences
  text.includes('\u001b') ? stripVTControlCharacters(text).length : text.length;

export default stringWidth;
