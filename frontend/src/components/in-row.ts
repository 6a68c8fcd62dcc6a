import { createContext } from "react";

/** Is this drawn in a row of a grid? Arrows walk rows, and the details beside them tell more: a stop of the Tab key in
 * each cell would be in the way. */
export const InRow = createContext(false);
