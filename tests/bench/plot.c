/* plot.c - see plot.h. */
#include "plot.h"

#include <stddef.h>

#ifdef GNUPLOT

#include <string.h>

#include "process.h"
#include "raw.h"

enum { DIAGRAMS_MAX = 8, LINES_MAX = 8, POINTS_MAX = 32 };

struct line {
    char name[60];
    size_t count;
    double x[POINTS_MAX], y[POINTS_MAX];
};

struct diagram {
    char title[100], x[60], y[60];
    struct line lines[LINES_MAX];
    size_t count;
};

struct plot {
    const char *path;
    struct diagram diagrams[DIAGRAMS_MAX];
    size_t count;
};

struct plot *plot_open(const char *path)
{
    struct plot *plot = path ? calloc(1, sizeof *plot) : NULL;

    if (plot)
        plot->path = path;
    return plot;
}

void plot_diagram(struct plot *plot, const char *title, const char *x, const char *y)
{
    if (!plot)
        return;
    MUST(plot->count < DIAGRAMS_MAX);
    struct diagram *diagram = &plot->diagrams[plot->count++];
    snprintf(diagram->title, sizeof diagram->title, "%s", title);
    snprintf(diagram->x, sizeof diagram->x, "%s", x);
    snprintf(diagram->y, sizeof diagram->y, "%s", y);
}

void plot_line(struct plot *plot, const char *name)
{
    if (!plot)
        return;
    struct diagram *diagram = &plot->diagrams[plot->count - 1];
    MUST(diagram->count < LINES_MAX);
    struct line *line = &diagram->lines[diagram->count++];
    snprintf(line->name, sizeof line->name, "%s", name);
}

void plot_point(struct plot *plot, double x, double y)
{
    if (!plot)
        return;
    struct diagram *diagram = &plot->diagrams[plot->count - 1];
    struct line *line = &diagram->lines[diagram->count - 1];
    MUST(line->count < POINTS_MAX);
    line->x[line->count] = x;
    line->y[line->count++] = y;
}

static void draw_diagram(struct process *gnuplot, const struct diagram *diagram)
{
    process_tell(gnuplot, "set title '%s'; set xlabel '%s'; set ylabel '%s'", diagram->title,
                 diagram->x, diagram->y);
    for (size_t i = 0; i < diagram->count; i++) {
        const struct line *line = &diagram->lines[i];
        process_tell(gnuplot, "$line%zu << END", i);
        for (size_t point = 0; point < line->count; point++)
            process_tell(gnuplot, "%g %g", line->x[point], line->y[point]);
        process_tell(gnuplot, "END");
    }
    fprintf(gnuplot->to, "plot ");
    for (size_t i = 0; i < diagram->count; i++)
        fprintf(gnuplot->to, "%s$line%zu with linespoints pointtype 7 title '%s'",
                i > 0 ? ", " : "", i, diagram->lines[i].name);
    process_tell(gnuplot, "%s", "");
}

struct plot *plot_close(struct plot *plot)
{
    char *const argv[] = { (char[]){ "gnuplot" }, (char[]){ "-" }, NULL };

    if (!plot)
        return NULL;
    size_t rows = (plot->count + 1) / 2;
    struct process *gnuplot = process_start(GNUPLOT, argv);
    process_tell(gnuplot, "set terminal svg size 1100,%zu background 'white'", 360 * rows);
    process_tell(gnuplot, "set output '%s'", plot->path);
    process_tell(gnuplot, "set multiplot layout %zu,2", rows);
    process_tell(gnuplot, "set logscale x; set yrange [0:*]; set grid; set key below");
    for (size_t i = 0; i < plot->count; i++) {
        if (plot->diagrams[i].count > 0)
            draw_diagram(gnuplot, &plot->diagrams[i]);
    }
    process_tell(gnuplot, "unset multiplot; unset output");
    MUST(process_end(gnuplot) == 0);
    free(plot);
    return NULL;
}

#else

struct plot *plot_open(const char *path)
{
    (void)path;
    return NULL;
}

void plot_diagram(struct plot *plot, const char *title, const char *x, const char *y)
{
    (void)plot, (void)title, (void)x, (void)y;
}

void plot_line(struct plot *plot, const char *name)
{
    (void)plot, (void)name;
}

void plot_point(struct plot *plot, double x, double y)
{
    (void)plot, (void)x, (void)y;
}

struct plot *plot_close(struct plot *plot)
{
    return plot;
}

#endif
