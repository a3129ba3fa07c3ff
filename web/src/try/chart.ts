import type { Points } from "./types";

/** What stands out on the map. */
export interface Lit {
  history: string[];
  first: string[];
}

const EDGE = 10;
const REACH = 8;
const CELLS = 64;

/** Draws points of the unit square on a canvas, and finds the one near a place. */
export class Chart {
  private lit: Lit = { history: [], first: [] };
  private readonly index: Map<string, number>;
  private readonly cells = new Map<number, number[]>();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly points: Points,
  ) {
    this.index = new Map(points.ids.map((id, at) => [id, at]));
    points.ids.forEach((_, at) => {
      const cell = cellOf(points.x[at]!, points.y[at]!);
      const there = this.cells.get(cell);
      if (there) there.push(at);
      else this.cells.set(cell, [at]);
    });
  }

  show(lit: Lit): void {
    this.lit = lit;
    this.draw();
  }

  draw(): void {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = devicePixelRatio;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const pen = this.canvas.getContext("2d")!;
    pen.scale(ratio, ratio);
    const colour = (name: string) => getComputedStyle(this.canvas).getPropertyValue(name);
    const { ids, tail } = this.points;
    const size = ids.length > 5_000 ? 1.5 : 2.5;
    pen.globalAlpha = 0.55;
    for (const isTail of [1, 0]) {
      pen.fillStyle = colour(isTail ? "--tail-dot" : "--head-dot");
      ids.forEach((_, at) => {
        if (tail[at] !== isTail) return;
        const [x, y] = this.place(at, width, height);
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      });
    }
    pen.globalAlpha = 1;
    this.rings(pen, this.lit.history, colour("--accent-dot"), width, height, false);
    this.rings(pen, this.lit.first, colour("--text-dot"), width, height, true);
  }

  /** The item near a place, in pixels of the style sheet; null if there is none. */
  near(x: number, y: number): string | null {
    const { width, height } = this.canvas.getBoundingClientRect();
    const [column, row] = [(x - EDGE) / (width - 2 * EDGE), (y - EDGE) / (height - 2 * EDGE)];
    let [best, least] = [-1, REACH];
    for (const dx of [-1, 0, 1]) {
      for (const dy of [-1, 0, 1]) {
        for (const at of this.cells.get(cellOf(column + dx / CELLS, row + dy / CELLS)) ?? []) {
          const [px, py] = this.place(at, width, height);
          const far = Math.hypot(px - x, py - y);
          if (far < least) [best, least] = [at, far];
        }
      }
    }
    return this.points.ids[best] ?? null;
  }

  private place(at: number, width: number, height: number): [number, number] {
    return [EDGE + this.points.x[at]! * (width - 2 * EDGE), EDGE + this.points.y[at]! * (height - 2 * EDGE)];
  }

  private rings(
    pen: CanvasRenderingContext2D,
    ids: string[],
    colour: string,
    width: number,
    height: number,
    filled: boolean,
  ): void {
    pen.fillStyle = pen.strokeStyle = colour;
    pen.lineWidth = 2;
    for (const id of ids) {
      const at = this.index.get(id);
      if (at === undefined) continue;
      pen.beginPath();
      pen.arc(...this.place(at, width, height), filled ? 4.5 : 6.5, 0, 2 * Math.PI);
      if (filled) pen.fill();
      else pen.stroke();
    }
  }
}

function cellOf(x: number, y: number): number {
  return Math.floor(x * CELLS) * 1_000 + Math.floor(y * CELLS);
}
