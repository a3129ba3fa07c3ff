import{a as m,b as o,c as r,d as n}from"./shared-BUB6FKRA.js";function e(){return r(m,{children:[r(n,{}),r("main",{})]})}o(r(e,{}),document.getElementById("page"));
