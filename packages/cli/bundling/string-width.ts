/** Stands for the package of this name, with which yargs lays out its help: the help has no wide characters. */
import { stripVTControlCharacters } from 'node:util';

const stringWidth = (text: string): number => stripVTControlCharacters(text).length;

export default stringWidth;
