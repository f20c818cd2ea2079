/* plot.h - a picture of several diagrams, made by gnuplot. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

struct plot;

/* An SVG file, or with NULL none: then all else here does nothing. NULL also when gnuplot was not
 * there when this was built. */
struct plot *plot_open(const char *path);
/* Begins a diagram. Words without quotes and control characters. */
void plot_diagram(struct plot *plot, const char *title, const char *x, const char *y);
/* Begins a line in the present diagram. */
void plot_line(struct plot *plot, const char *name);
void plot_point(struct plot *plot, double x, double y);
/* Makes the picture. NULL, always. */
struct plot *plot_close(struct plot *plot);

#endif
