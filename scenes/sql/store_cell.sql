-- writes what one cell holds of one tenant and classification
insert into scenes.cell
       (scene, cell, tenant, classification, level, x, y, count, vertices, problems, west, south, east, north, low, high, largest)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
